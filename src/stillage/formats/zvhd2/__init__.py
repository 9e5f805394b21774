"""ZVHD2, of Huawei Cloud."""
