# error: [E0414] s * P(x)
# nothing keeps s away from 0
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  param s : scale
  map x -> s * P(x)
}
