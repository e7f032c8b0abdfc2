# error: [E0608] A
# the flow that has the block takes no prior, the one around it does
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x)
}
flow Inner on Vec[N] ensures invertible { repeat 2 { A } }
flow F on Vec[4] ensures invertible { Inner  prior normal }
