mint 1

# Monotone Flows in the plane: Ahn, Kim, Hong, Kim, NeurIPS 2022, arXiv:2210.08176.

import "monotone/block.mint" { FlatBlock }

flow Plane(count: Nat = 10) on Vec[2] ensures invertible, log_det exact {
  repeat count { FlatBlock(first = 16, grow = 16) log_det exact }
  prior normal
}
