mint 1
import "mintnet/mint.mint" { Mnt }
flow F on Image[1, 4, 4] {
  Mnt(K = 1, tri = lower)  # not Mnt
  Mnt(K = 1, tri = upper)
}
