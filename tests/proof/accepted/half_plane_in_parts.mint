# proves: A: volume_preserving, invertible
# class: A: dense
# proves: B: invertible
# class: B: dense
mint 1
layer A on Image[C, H, W] ensures volume_preserving, invertible {
  space Q = Image[C / 2, H, W]
  param W, V : conv 3x3 (anchor = bottom_right) on Q with det == 1
  map x {
    let (a, b) = split(x, channel)
    return join(W(a), V(b) + W(a))
  }
}
layer B on Vec[4] ensures invertible {
  param W, V : linear on Vec[2] with det != 0
  map x {
    let (a, b) = split(x, halves)
    return join(a, V(b) * exp(tanh(W(a))) + W(a))
  }
}
