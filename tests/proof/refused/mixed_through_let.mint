# error: [E0402] U(u)
mint 1
layer A on Vec[D] ensures invertible {
  param L : linear lower with diag > 0
  param U : linear upper with diag >= 0
  map x {
    let u = L(x)
    return U(u)
  }
}
