# error: [E0701] from Vec[D] to Vec[2]
mint 1
layer A on Vec[D] {
  param W : linear from Vec[D] to Vec[2] with det != 0
  param b : bias
  map x -> x + 1 * b
}
