# error: [E0601] log_det exact
# nothing says how the log-det of the residual sum is computed
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x)
}
flow F on Vec[4] ensures invertible, log_det exact { A log_det exact  A }
