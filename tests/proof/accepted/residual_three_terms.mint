# proves: A: invertible, lip < 1.96
# class: A: dense, bijection by composition
# a sum is read from the left, and RES takes all of its terms: 0.5 + 0.2 + 0.25
mint 1
layer A on Vec[D] ensures invertible, lip < 1.96 {
  param V, W : linear with lip <= 0.5
  param s : scale with lip <= 0.25
  param b : bias
  map x {
    let u = x - V(tanh(x)) + b
    return u + 0.4 * W(x) + s * elu(x)
  }
}
