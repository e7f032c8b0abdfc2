# proves: S: invertible, volume_preserving
# class: S: bijection of R^D
# proves: F: invertible, volume_preserving
# class: F: bijection of R^D
# exchanges of axes move entries: rule PERM
mint 1
flow S on Seq[T, D] ensures invertible, volume_preserving { transpose(time, channel)  reverse(axis = time) }
flow F on Image[C, H, W] ensures invertible, volume_preserving {
  transpose(channel, width)
  transpose(first = height, second = channel)
  patches 1
  S
}
