# error: [E0303] Vec[3 * D / 2]
# half an element at each position
mint 1
layer A on Vec[D] ensures invertible {
  space Own = Vec[3 * D / 2] (degrees = own)
  param b : bias on Own
  param V : linear from Own to Vec[D]
  map x -> x + V(b)
}
