# error: [E0606] logit(0.05)
# shifted by a net, what leaves lies in no box, so the flow is on all of R
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
flow F on Vec[4] ensures invertible { factor half (prior = Split)  logit(0.05) }
