# proves: A: invertible, inverse closed_form
# class: A: dense
# each part is a bijection of its own, by an exponential that the other one shifts
mint 1
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  space Half = Image[C / 2, H, W]
  param M : conv 3x3 on Half with lip <= 1
  param V : conv 3x3 on Half
  map x {
    let (a, b) = split(x, channel)
    return join(exp(M)(a), exp(M)(2 * b + V(a)))
  }
}
