# error: [E0401] B(elu(A(x)))
mint 1
layer Example on Image[C, H, W] ensures lower, diag > 0 {
  param A, B : conv 3x3 lower with diag >= 0
  map x -> B(elu(A(x)))
}
