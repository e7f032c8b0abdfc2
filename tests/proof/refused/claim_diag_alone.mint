# error: [E0214] diag
mint 1
layer L on Vec[D] ensures lower, diag {
  map x -> x
}
