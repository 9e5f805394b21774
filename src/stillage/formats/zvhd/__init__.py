"""ZVHD, of Huawei Cloud, and what ZVHD2 shares with it."""
