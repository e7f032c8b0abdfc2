# error: [E0209] exact
# it stands behind the layers
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow G on Vec[D] ensures invertible { A }
flow F on Vec[4] ensures invertible { G log_det exact }
