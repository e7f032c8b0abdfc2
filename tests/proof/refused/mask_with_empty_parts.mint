# every value of the mask is even, so part 1 has no place
# error: [E0209] even
mint 1
mask even = 2 * c + 4 * h mod 2
layer A on Image[C, H, W] ensures invertible {
  map x {
    let (a, b) = split(x, even)
    return join(a, 2 * b)
  }
}
