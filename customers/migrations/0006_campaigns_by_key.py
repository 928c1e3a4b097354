from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0005_consents_by_kind'),
    ]

    operations = [
        migrations.CreateModel(
            name='CampaignName',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=60, unique=True)),
            ],
        ),
    ]
