# error: [E0209] normal
# the flow's own prior is that of what leaves without one
mint 1
flow F on Vec[4] ensures invertible { factor half (prior = normal)  prior normal }
