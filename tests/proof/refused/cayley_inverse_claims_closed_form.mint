# error: [E0601] inverse closed_form
# the map itself, which undoes it there, is a solve too
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
flow F on Vec[4] ensures invertible, inverse closed_form { A(direction = inverse) log_det exact }
