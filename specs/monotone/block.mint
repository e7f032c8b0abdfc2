mint 1

# Invertible Monotone Operators for Normalizing Flows.
# Ahn, Kim, Hong, Kim, NeurIPS 2022, arXiv:2210.08176.

import "idensenet/idensenet.mint" { DenseBranch, lip_swish }

## The paper solves w + g(w) = sqrt(2) x and gives sqrt(2) w - x. With w = sqrt(2) u this is u + r(u) = x and 2 u - x,
## the Cayley map of r(u) = g(sqrt(2) u) / sqrt(2), whose Lipschitz constant is that of g.
net Rescaled(grow: Nat) from Image[C, H, W] to Image[C, H, W] {
  param g : net DenseBranch(grow = grow)
  map x -> g(1.4142135623730951 * x) / 1.4142135623730951
}

## Slopes between 1 / 99 and 99, where x + g(x) has them below 2.
layer MonotoneBlock(grow: Nat) on Image[C, H, W] ensures invertible, lip < 99.1 {
  param r : net Rescaled(grow = grow)
  map x -> cayley(r)(x)
}

## (0.6 u, 0.8 h(V u + b)), as for images.
net FlatGrow(grow: Nat, h: Act = lip_swish) from Vec[D] to Vec[D + grow] {
  param V : linear from Vec[D] to Vec[grow] with lip <= 1
  param b : bias   on Vec[grow]
  map x -> concat(0.6 * x, 0.8 * h(V(x) + b))
}

## Three dense layers around what `first` makes of the vector, and a matrix back.
net FlatBranch(first: Nat, grow: Nat, bound: Real = 0.98) from Vec[D] to Vec[D] {
  param V  : linear from Vec[D] to Vec[first] with lip <= 1
  param g1 : net FlatGrow(grow = grow) from Vec[first] to Vec[first + grow]
  param g2 : net FlatGrow(grow = grow) from Vec[first + grow] to Vec[first + 2 * grow]
  param g3 : net FlatGrow(grow = grow) from Vec[first + 2 * grow] to Vec[first + 3 * grow]
  param W  : linear from Vec[first + 3 * grow] to Vec[D] with lip <= bound
  map x -> W(g3(g2(g1(V(1.4142135623730951 * x))))) / 1.4142135623730951
}

layer FlatBlock(first: Nat, grow: Nat) on Vec[D] ensures invertible, lip < 99.1 {
  param r : net FlatBranch(first = first, grow = grow)
  map x -> cayley(r)(x)
}
