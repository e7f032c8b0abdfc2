# proves: A: diag == 1, invertible
# class: A: diagonal, diag in [1, 1]
# a stride of a net's convolution: of rows, of columns, with a dilation, where an even kernel has its centre
mint 1
net Down(K: Nat) from Image[C, H, W] to Image[2, H / 2, W / 6] {
  param V : conv 4x4 (stride = 2) from Image[C, H, W] to Image[K, H / 2, W / 2] with lip <= 0.5
  param U : conv 3x1 (stride = (1, 3), dilation = 2, norm = weight) from Image[K, H / 2, W / 2] to Image[2, H / 2, W / 6]
  map x -> U(relu(V(x)))
}
layer A on Image[2, H, W] given c: Image[D, 2 * H, 6 * W] ensures diag == 1, invertible {
  param n : net Down(K = 3) from Image[D, 2 * H, 6 * W] to Image[2, H, W]
  map x -> x + n(c)
}
