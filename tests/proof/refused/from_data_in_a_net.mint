# error: [E0710] b
mint 1
net N from Vec[D] to Vec[D] {
  param b : bias init from_data
  map x -> tanh(x) + b
}
flow F on Vec[4] ensures invertible { classify N }
