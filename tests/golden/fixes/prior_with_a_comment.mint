mint 1
layer A on S { map x -> x }
flow F on Vec[2] {
  A
  # here
  A
  prior normal
}
