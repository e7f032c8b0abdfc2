mint 1
import "mintnet/mint.mint" { Mint }
flow F on Image[1, 4, 4] {
  Mint(K = 1, tri = lower)  # not Mnt
  Mint(K = 1, tri = upper)
}
