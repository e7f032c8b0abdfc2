# error: [E0204] head
mint 1
layer A on S ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
net N(classes: Nat) from Image[C, H, W] to Vec[classes] {
  param W : linear from Vec[C] to Vec[classes]
  map x -> W(mean_pool(x))
}
flow F on Image[3, 4, 4] ensures injective {
  head: A
  classify N(classes = 2)
}
