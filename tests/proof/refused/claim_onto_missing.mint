# error: [E0602] onto
mint 1
layer Squash on Vec[D] ensures onto { map x -> tanh(x) }
