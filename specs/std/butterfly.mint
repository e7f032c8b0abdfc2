mint 1

# ButterflyFlow: Meng, Zhou, Choi, Dao, Ermon, ICML 2022.
#
# A level mixes coordinates that lie a stride apart, pair by pair, by 2x2 matrices of their own. The published ones are
# free numbers, regular until training makes one singular. Here a matrix is [[s, 0], [l, t]] [[1, u], [0, 1]] with s and
# t never 0: every regular matrix with an upper left entry that is not 0, and by construction no other one.

## Strides of half the length: i with i + D/2. First x1 + u x2, then s x1 and l x1 + t x2.
layer HalfUpper on Vec[D] ensures upper, volume_preserving, inverse closed_form {
  param u : scale on Vec[D / 2] init zeros
  map x {
    let (a, b) = split(x, halves)
    return join(a + u * b, b)
  }
}

layer HalfLower on Vec[D] ensures lower, diag != 0, invertible, inverse closed_form {
  param s, t : scale on Vec[D / 2] with diag != 0
  param l    : scale on Vec[D / 2] init zeros
  map x {
    let (a, b) = split(x, halves)
    return join(s * a, t * b + l * a)
  }
}

## Stride 2: i with i + 2, in runs of four.
layer TwoUpper on Vec[D] ensures volume_preserving, inverse closed_form {
  param u, v : scale on Vec[D / 4] init zeros
  map x {
    let (a, b, c, d) = split(x, strided, parts = 4)
    return join(a + u * c, b + v * d, c, d)
  }
}

layer TwoLower on Vec[D] ensures invertible, inverse closed_form {
  param p, q, s, t : scale on Vec[D / 4] with diag != 0
  param l, m       : scale on Vec[D / 4] init zeros
  map x {
    let (a, b, c, d) = split(x, strided, parts = 4)
    return join(p * a, q * b, s * c + l * a, t * d + m * b)
  }
}

## Stride 1: neighbours.
layer OneUpper on Vec[D] ensures volume_preserving, inverse closed_form {
  param u : scale on Vec[D / 2] init zeros
  map x {
    let (a, b) = split(x, strided)
    return join(a + u * b, b)
  }
}

layer OneLower on Vec[D] ensures invertible, inverse closed_form {
  param s, t : scale on Vec[D / 2] with diag != 0
  param l    : scale on Vec[D / 2] init zeros
  map x {
    let (a, b) = split(x, strided)
    return join(s * a, t * b + l * a)
  }
}

## All levels of eight coordinates: every output sees every input.
flow Butterfly on Vec[8] ensures invertible, log_det exact, inverse closed_form {
  HalfUpper  HalfLower
  TwoUpper  TwoLower
  OneUpper  OneLower
}
