mint 1

# Neural Spline Flows, autoregressive: each element is bent by a spline that a masked net makes from those before it.
# Durkan, Bekasov, Murray, Papamakarios, NeurIPS 2019, arXiv:1906.04032, section 3.3; masks as in MADE: Germain, Gregor,
# Murray, Larochelle, ICML 2015, arXiv:1502.03509.

## Widths, heights and slopes of the splines, `bins` to each coordinate: two hidden layers.
net SplineMade(width: Nat, bins: Nat) from Vec[D] to (Bins, Bins, Knots) {
  space Hid = Vec[width]
  space Bins = Vec[bins * D] (degrees = own)
  space Knots = Vec[(bins - 1) * D] (degrees = own)
  param V1     : linear lower        from Vec[D] to Hid
  param V2     : linear lower        on Hid
  param Vw, Vh : linear strict lower from Hid to Bins
  param Vd     : linear strict lower from Hid to Knots
  param b1, b2 : bias                on Hid
  param bw, bh : bias                on Bins
  param bd     : bias                on Knots
  map x {
    let u = relu(V1(x) + b1)
    let v = relu(V2(u) + b2)
    return (Vw(v) + bw, Vh(v) + bh, Vd(v) + bd)
  }
}

layer SplineAr(width: Nat, bins: Nat) on Vec[D] ensures lower, diag > 0, invertible {
  param n : net SplineMade(width = width, bins = bins)
    from Vec[D] to (Vec[bins * D], Vec[bins * D], Vec[(bins - 1) * D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(x, widths = w, heights = k, slopes = d, bound = 3, floor = 1e-3)
  }
}

## A density of the 6 columns of POWER; outside of [-3, 3] each step leaves an element as it is.
flow NsfPower(steps: Nat = 5, width: Nat = 512, bins: Nat = 8) on Vec[6] ensures invertible {
  standardize(mean = data, std = data)
  repeat steps {
    SplineAr(width = width, bins = bins)
    reverse
  }
  prior normal
}
