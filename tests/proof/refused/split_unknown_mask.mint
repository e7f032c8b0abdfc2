# error: [E0201] chessboard
mint 1

layer A on Image[C, H, W] ensures invertible {
  map x {
    let (a, b) = split(x, chessboard)
    return join(a, b)
  }
}
