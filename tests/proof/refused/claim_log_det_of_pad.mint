# error: [E0601] log_det exact
mint 1
flow Pad on Image[1, 2, 2] ensures injective, log_det exact { pad channels to 2 }
