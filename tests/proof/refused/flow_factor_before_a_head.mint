# error: [E0607] classify PooledLinear(classes = 3)
mint 1
import "std/heads.mint" { PooledLinear }
flow F on Image[4, 4, 4] ensures invertible { factor half  classify PooledLinear(classes = 3) }
