# proves: F: invertible, log_det solver
# class: F: bijection of R^D
# nets in the field, an activation of the program, and one that the flow passes on
mint 1
act bent(u) = 0.5 * u + tanh(u)
net Block(h: Act) from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3
  map x -> x + V(h(x))
}
net Field(h: Act) from Image[C, H, W], Vec[1] to Image[C, H, W] {
  param V : conv 3x3 from Image[C + 1, H, W] to Image[C, H, W]
  index l : 2
  param B[l] : net Block(h = h) from Image[C, H, W] to Image[C, H, W]
  map x, time -> chain[l](B[l])(bent(V(concat(x, time))))
}
flow F(h: Act = softplus) on Image[1, 4, 4] ensures invertible, log_det solver {
  repeat 2 { ode Field(h = h) log_det exact }
  squeeze 2
  factor half
  ode Field(h = tanh) by adaptive_heun(tol = 1e-2) log_det exact
}
