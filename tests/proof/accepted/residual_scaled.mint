# proves: A: invertible
# class: A: dense, bijection by composition
# factors count: 0.5 * 1.5 of a scale that is bounded; branches add: 0.75 + 0.2
mint 1
layer A on Vec[D] given y : Vec[3] ensures invertible {
  param s : scale with lip <= 0.5
  param V : linear with lip <= 1.5
  param U : linear with lip <= 0.2
  param Y : linear from Vec[3] to Vec[D]
  map x -> (s * V(elu(x)) + U(x) + Y(y)) + x
}
