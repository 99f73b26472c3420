"""What a training case is known by in a model bundle."""

import hashlib

import SimpleITK as sitk


def voxel_sha256(image: sitk.Image) -> str:
    """SHA-256 of the voxels of an image, whatever file they came from.

    Args:
        image: the FLAIR as read, 3D scalar.

    Returns:
        64 hexadecimal digits of the hash over the float32 little-endian bytes of the array in (z, y, x) order.
    """
    return hashlib.sha256(sitk.GetArrayFromImage(image).astype("<f4").tobytes(order="C")).hexdigest()
