# error: [E0901] A(direction = inverse)
# which numbers would make the inverse of mean 0 and deviation 1 is another question
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0 init from_data
  map x -> s * x
}
flow F on Vec[4] ensures invertible { A(direction = inverse) }
