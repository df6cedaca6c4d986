"""The entries of the section `measure`: what is found out about a trained net, which stays as it is. A file each."""
