# error: [E0303] Vec[2 * D + 1]
mint 1
net N from Vec[D] to Own {
  space Own = Vec[2 * D + 1] (degrees = own)
  param V : linear strict lower from Vec[D] to Own
  map x -> V(x)
}
