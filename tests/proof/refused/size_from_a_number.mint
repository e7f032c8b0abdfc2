# error: [E0211] A
mint 1
const A = 0.5
layer L on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[A]
  map x -> x
}
