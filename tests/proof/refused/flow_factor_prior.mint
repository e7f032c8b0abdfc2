# error: [E0901] prior = Split
mint 1
net Split from Vec[D] to Vec[D] {
  param W : linear
  map x -> W(x)
}
flow F on Vec[4] ensures invertible { factor half (prior = Split)  prior normal }
