# error: [E0301] from Own to Own
# a net that is strict in its own 2 D positions does not keep those of the outer one
mint 1
net Inner from Vec[E] to Vec[E] {
  param V : linear strict lower
  map u -> V(u)
}
net Bins from Vec[D] to Own {
  space Own = Vec[2 * D] (degrees = own)
  param W : linear lower from Vec[D] to Own
  param n : net Inner from Own to Own
  map x -> n(W(x))
}
