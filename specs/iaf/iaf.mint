mint 1

# Improved Variational Inference with Inverse Autoregressive Flow.
# Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling, NeurIPS 2016, arXiv:1606.04934, algorithm 1.

## MADE whose results at i read z before i, and the whole of what the encoder gives.
net Gates(width: Nat) from Vec[D], Vec[M] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V1     : linear lower        from Vec[D] to Hid
  param V2     : linear lower        on Hid
  param Vm, Vs : linear strict lower from Hid to Vec[D]
  param Um, Us : linear              from Vec[M] to Vec[D]
  param U      : linear              from Vec[M] to Hid
  param b1, b2 : bias                on Hid
  param bm, bs : bias                on Vec[D]
  map z, h {
    let u = elu(V1(z) + U(h) + b1)
    let v = elu(V2(u) + b2)
    return (Vm(v) + Um(h) + bm, Vs(v) + Us(h) + bs)
  }
}

## z' = s z + (1 - s) m with a gate s in (0, 1), equation 14: it starts near the identity.
layer Step(width: Nat) on Vec[D] given h : Vec[M] ensures lower, diag > 0, invertible {
  param n : net Gates(width = width) from Vec[D], Vec[M] to (Vec[D], Vec[D])
  map z {
    let (m, a) = n(z, h)
    let s = sigmoid(a + 2)
    return s * z + (1 - s) * m
  }
}

## From noise to the code of a variational autoencoder: 4 steps in one pass, the order reversed between them.
flow Posterior(width: Nat = 320) on Vec[32] given h : Vec[64] ensures invertible {
  repeat 4 {
    Step(width = width)
    reverse
  }
}
