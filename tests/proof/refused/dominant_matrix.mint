# error: [E0701] det != 0 via dominant
# of a matrix there are no other taps to scale down
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0 via dominant
  map x -> W(x)
}
