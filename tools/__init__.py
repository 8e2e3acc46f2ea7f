"""Scripts that write data files of the package anew from what others publish; not part of the package."""
