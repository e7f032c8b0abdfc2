# error: [E0414] b + P(b)
# a part and its permutation in one sum: where P swaps the entries, (1, -1) goes to (0, 0)
mint 1
layer A on Vec[4] ensures invertible {
  param P : perm on Vec[2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + P(b))
  }
}
