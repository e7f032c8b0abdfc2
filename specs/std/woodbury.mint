mint 1

# Woodbury transformations: I + U V of the channels, of the columns and of the rows, U and V of low rank. A factor has
# 2 d C numbers, not C^2, and its inverse and determinant cost no more than it does (identities of Woodbury, Sylvester).
# Lu, Huang, Woodbury Transformations for Deep Generative Flows, NeurIPS 2020, arXiv:2002.12229.

## I + U V of the channels, regular whatever training does; near the identity at first.
layer Woodbury(rank: Nat = 8) on Image[C, H, W] ensures invertible, inverse closed_form {
  param A : conv 1x1 (rank = rank) with det != 0 via woodbury init near_identity(std = 0.01)
  map x -> A(x)
}

## As published: U and V stored as they are. Proved under the assumption that det(I + V U) is not 0, which is tested.
layer WoodburyRaw(rank: Nat = 8) on Image[C, H, W] ensures invertible, inverse closed_form {
  param A : conv 1x1 (rank = rank) with det != 0 via raw init near_identity(std = 0.01)
  map x -> A(x)
}

## The memory-efficient transformation: three factors, one along each axis, the same at all places of the other two.
## Image[C, H, W] with `transpose(channel, width)` is Image[W, H, C], so that a matrix of the channels acts on rows.
flow WoodburyME(channels: Nat = 8, pixels: Nat = 8)
  on Image[C, H, W]
  ensures invertible, log_det exact
{
  channels: Woodbury(rank = channels)
  transpose(channel, width)
  width: Woodbury(rank = pixels)
  transpose(channel, width)
  transpose(channel, height)
  height: Woodbury(rank = pixels)
  transpose(channel, height)
}

## The same as published: 2 d (C + H + W) numbers where both ranks are d.
flow WoodburyMERaw(channels: Nat = 8, pixels: Nat = 8)
  on Image[C, H, W]
  ensures invertible, log_det exact
{
  channels: WoodburyRaw(rank = channels)
  transpose(channel, width)
  width: WoodburyRaw(rank = pixels)
  transpose(channel, width)
  transpose(channel, height)
  height: WoodburyRaw(rank = pixels)
  transpose(channel, height)
}
