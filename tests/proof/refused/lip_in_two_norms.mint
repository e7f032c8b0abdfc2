# error: [E0416] x + W(tanh(V(x)))
# each map is below 1 in its own norm, which bounds the other norm by the root of the size only: [[0.9, 0], [0.9, 0]]
# has 0.9 as the largest sum of a row, and a singular value of 1.27
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.9 via rows
  param W : linear with lip <= 0.9
  map x -> x + W(tanh(V(x)))
}
