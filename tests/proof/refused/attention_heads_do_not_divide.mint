# error: [E0303] P
mint 1
net N(heads: Nat) from Seq[T, D] to Seq[T, D] {
  param P : attention (heads = heads)
  map x -> P(x)
}
layer A on Seq[2, 4] ensures invertible {
  param b : bias (per = element)
  param n : net N(heads = 3)
  map x -> x + n(b)
}
flow F on Seq[2, 4] ensures invertible { A }
