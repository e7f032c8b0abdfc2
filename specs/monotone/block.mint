mint 1

# Invertible Monotone Operators for Normalizing Flows.
# Ahn, Kim, Hong, Kim, NeurIPS 2022, arXiv:2210.08176.

import "idensenet/idensenet.mint" { DenseBranch, FlatBranch }

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

net FlatRescaled(first: Nat, grow: Nat) from Vec[D] to Vec[D] {
  param g : net FlatBranch(first = first, grow = grow)
  map x -> g(1.4142135623730951 * x) / 1.4142135623730951
}

layer FlatBlock(first: Nat, grow: Nat) on Vec[D] ensures invertible, lip < 99.1 {
  param r : net FlatRescaled(first = first, grow = grow)
  map x -> cayley(r)(x)
}
