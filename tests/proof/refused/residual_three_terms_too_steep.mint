# error: [E0416] u + W(x) + s * elu(x)
# 0.5 + 0.3 + 0.25 is not < 1, and each term alone is
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  param W : linear with lip <= 0.3
  param s : scale with lip <= 0.25
  map x {
    let u = x - V(tanh(x))
    return u + W(x) + s * elu(x)
  }
}
