# error: [E0204] a
# a factor with a net has parameters under its label
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
layer A on S ensures invertible { param b : bias  map x -> x + b }
flow F on Vec[4] ensures invertible { a: A  a: factor half (prior = Split) }
