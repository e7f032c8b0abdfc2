# error: [E0601] diag != 0
# the sign of each entry is free in Own, so the class of an application is not followed
mint 1
layer A on Vec[D] ensures diag != 0, invertible {
  map x -> Own(x)
}
layer Own on Vec[D] ensures diag != 0, invertible {
  param s : scale with diag != 0
  map x -> s * x
}
