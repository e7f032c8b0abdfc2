# proves: A: invertible, volume_preserving, inverse closed_form
# proves: B: invertible, inverse closed_form
# class: A: dense
# class: B: dense
# within a part entries may move; between parts they would not be a map of each part
mint 1
net N from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3
  map x -> tanh(V(x))
}
layer A on Image[C, H, W] ensures invertible, volume_preserving, inverse closed_form {
  space Half = Image[C / 2, H, W]
  param P : perm on Half
  param R : perm (axis = all, seed = 3) on Half
  param n : net N from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(P(a), R(P(b) + n(a)) - P(a))
  }
}
layer B on Vec[D] ensures invertible, inverse closed_form {
  space Half = Vec[D / 2]
  param P : perm on Half
  param V : linear on Half
  param s : scale on Half
  map x {
    let (a, b) = split(x, strided)
    return join(V(P(s)) - P(-a), P(b * exp(tanh(V(P(a))))))
  }
}
