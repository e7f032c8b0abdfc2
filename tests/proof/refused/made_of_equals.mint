# error: [E0402] n(x)
mint 1
net Made(width: Nat) from Vec[D] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V1 : linear lower from Vec[D] to Hid
  param V2 : linear lower on Hid
  param W  : linear lower from Hid to Vec[D]
  map x {
    let v = tanh(V2(elu(V1(x))))
    return (W(v), W(V1(x)))
  }
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Made(width = 5) from Vec[D] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x)
    return (x - m) * exp(-a)
  }
}
flow F on Vec[5] ensures invertible { A }
